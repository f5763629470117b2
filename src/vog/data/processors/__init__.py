"""Transforms that come with a model: processors of transformers, and the settings of timm."""
