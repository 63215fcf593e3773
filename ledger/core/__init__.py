"""The pure core: rules and arithmetic of prepaid credits. Standard library only, no clock, no I/O."""
