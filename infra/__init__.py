"""Infrastructure: deployments, local servers, storage access, containers and Kubernetes."""
