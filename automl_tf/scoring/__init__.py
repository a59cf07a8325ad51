"""How good translations are: BLEU and chrF. The only home of sacrebleu."""
