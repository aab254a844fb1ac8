"""The pages for people. Each reads and changes through the API's own routes (`own_api`), and none needs a script."""

import re

from fastapi import APIRouter

from api_service.web import assets, info_page, upload_pages

router = APIRouter()
for pages in (assets, upload_pages, info_page):
    router.include_router(pages.router)

# Of the forms whose bodies are files.
FILES_PATH = re.compile(r"/uploads(/[^/]+/corrections)?")
