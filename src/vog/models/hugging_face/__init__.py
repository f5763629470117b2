"""Models of Hugging Face's transformers: folders that `save_pretrained` and Trainer write."""
