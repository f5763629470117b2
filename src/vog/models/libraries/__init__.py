"""Models by the name that a library has for them: `timm:NAME` and `torchvision:NAME`."""
