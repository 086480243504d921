"""Evidence: findings, exhibits, the document, its folder."""
