"""Makes `scripted_server`, beside this file, importable for every test below."""
