"""What is shipped: configuration, vocabulary and weights in one directory."""
