"""The encoder-decoder Transformer in pure torch, its size in closed form and its loss."""
