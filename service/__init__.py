"""The faces of the product that are not pages."""
