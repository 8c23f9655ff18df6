"""What a command that trains or measures does, from beginning to end."""
