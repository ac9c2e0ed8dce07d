"""The bytes of files and pages: chunks, packs, chunk lists; what writes them and what reads them."""
