"""A PostgreSQL backend for Django whose password is in AWS Secrets Manager.

Use it as the ENGINE of a database, with the ARN of the secret in SECRET_ARN.
"""
