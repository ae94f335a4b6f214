"""What people see: lanes in the terminal, tables of evidence, pages, shell reproductions. Decides nothing."""
