"""The pages for people. Each reads and changes through the API's own routes (`own_api`), and none needs a script."""

import re

from fastapi import APIRouter

from api_service.web import (
    assets,
    audit_page,
    dead_letter_pages,
    employee_pages,
    erasure_pages,
    key_pages,
    provider_pages,
    queue_pages,
    reject_pages,
    sign_in_page,
    system_page,
    upload_pages,
)

router = APIRouter()
for pages in (
    assets,
    sign_in_page,
    provider_pages,
    upload_pages,
    reject_pages,
    employee_pages,
    erasure_pages,
    dead_letter_pages,
    queue_pages,
    system_page,
    key_pages,
    audit_page,
):
    router.include_router(pages.router)

# Of the forms whose bodies are files.
FILES_PATH = re.compile(r"/uploads(/[^/]+/corrections)?")
