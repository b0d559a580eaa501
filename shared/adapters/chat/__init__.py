"""Chats as they call us: who signed it, what it says, and how an answer looks there."""
