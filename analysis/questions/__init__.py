"""What a space is asked."""
