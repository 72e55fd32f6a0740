# Its classes are found by name: see core/catalog/tables/diffusion.
