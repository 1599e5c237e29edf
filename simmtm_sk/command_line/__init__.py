"""What ``python -m simmtm_sk`` does."""
