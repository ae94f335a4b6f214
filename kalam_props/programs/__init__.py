"""What to do: programs as pure data, their JSON, and the Hypothesis machines that draw them.

Nothing here runs anything or knows what a server answered.
"""
