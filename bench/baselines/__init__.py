"""What others document for a conversation that is busy, written down anew: each takes one message to its run."""
