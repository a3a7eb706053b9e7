"""Other libraries' names and defaults over fastbpr's engine."""
