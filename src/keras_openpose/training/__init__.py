"""What trains a network: `losses`, `optimizers`, `muon`, and the `recipe` of `train`, which joins them."""
