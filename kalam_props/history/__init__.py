"""What happened: operations, events, and the JSON Lines file that holds them.

Pure data and its reader and writer; the lowest layer of the package. No checks, clocks or sockets here.
"""
