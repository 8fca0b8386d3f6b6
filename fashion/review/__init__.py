"""Look through, correct and score automatic labels."""
