"""From a trained model to translations: greedy and beam search, and how long they take."""
