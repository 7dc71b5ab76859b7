"""What orders the certificate: run inside the image, beside certbot."""
