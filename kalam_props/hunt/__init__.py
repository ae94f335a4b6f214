"""What to run next: explore, confirm, shrink, keep seeds, replay. The only package that decides that."""
