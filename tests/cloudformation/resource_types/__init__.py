"""The resource types that moto lacks, by service. Importing a module registers its types."""
