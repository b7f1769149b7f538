"""Container images: what they are made of, how they are built and pushed, and what their addresses say."""
