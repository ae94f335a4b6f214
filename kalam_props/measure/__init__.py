"""How good the tester is: what it makes of each fault, beside the program that an expert would write for it.

Runs hunts and compares what they found. Decides nothing about a hunt, and nothing that hunts may import it:
a tester that knew the answers would find them.
"""
