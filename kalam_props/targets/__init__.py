"""What is tested: a server that we start, or a URL; what it can do; how to act as a user.

No checks and no programs here: a target can be asked to run statements, to restart and to die.
"""
