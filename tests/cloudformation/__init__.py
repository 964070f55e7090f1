"""CloudFormation for tests: moto's, with the resource types and checks that it lacks."""
