"""Services behind ASGI, for uvicorn and any other ASGI server; needs the extra `asgi`."""
