"""The review page: static files, and the one request handler behind AWS Lambda and the local server."""
