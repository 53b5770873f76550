"""The contracts between the services as documents, made from the code that holds them."""
