"""license-allocator: who may have a license. It turns what is wanted (changes) into what is allowed (commands)."""
