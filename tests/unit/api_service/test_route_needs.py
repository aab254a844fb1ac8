"""The table of the API's routes says of each who may use it, and of none that is gone."""

from __future__ import annotations

from api_service.app import create_app
from api_service.route_needs import declared_needs
from shared.access.route_needs import RouteNeeds, routes_of
from tests.support.api import api_settings


def test_the_table_has_each_route_and_no_other() -> None:
    app = create_app(api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///tmp"))
    declared = declared_needs("key")
    RouteNeeds(declared).require_all(app)
    assert set(declared) - set(routes_of(app)) == set()


def test_only_probes_and_what_a_page_is_drawn_with_are_open() -> None:
    declared = declared_needs("key")
    assert {route for route, need in declared.items() if need.kind == "nothing"} == {
        "GET /livez",
        "GET /readyz",
        "GET /assets/{digest}/{name}",
        "GET /docs/assets/*",
        "GET /guide/*",
        "GET /sign-in",
        "POST /sign-in",
        # To where one signs in, and back.
        "GET /sign-in/provider",
        "GET /sign-in/provider/answer",
        # The SQS endpoint checks its requests' signatures itself.
        "POST /",
        "POST /{account}/{queue}",
    }
    assert declared_needs("open")["GET /metrics"].kind == "nothing"


def test_an_api_route_is_for_nobody_who_looks_at_pages_alone() -> None:
    pages = {route for route, need in declared_needs("key").items() if need.is_page}
    assert not [route for route in pages if " /v1/" in route or " /message/" in route]
