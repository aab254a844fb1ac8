"""The pages for people. Each reads and changes through the API's own routes (`own_api`), and none needs a script."""

import re

from fastapi import APIRouter

from api_service.web import (
    assets,
    dead_letter_pages,
    employee_pages,
    queue_pages,
    reject_pages,
    system_page,
    upload_pages,
)

router = APIRouter()
for pages in (assets, upload_pages, reject_pages, employee_pages, dead_letter_pages, queue_pages, system_page):
    router.include_router(pages.router)

# Of the forms whose bodies are files.
FILES_PATH = re.compile(r"/uploads(/[^/]+/corrections)?")
