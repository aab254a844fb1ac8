# One image a service, each with its own package, `shared`, and the dependencies of its own lock: nothing else.
#
#   base ─┬─ installer ─── *_packages    a lock's packages in /venv, to be copied; uv stays here
#         ├─ guide                       docs/ as a site, which the API and the producer serve at /guide
#         ├─ api_service                 uploads, listings, the web page   :8000
#         ├─ producer_service            files to requests                 :8001
#         ├─ consumer_service            requests to rows                  :8002
#         └─ migrate                     the schema; runs once and ends
#
# In each stage the dependencies come before the code, so that a change of code reuses them. All are wheels with
# the hashes of requirements/*.txt (`make lock`), so no image needs a compiler. The processes run as user 10001 and
# write nowhere but /tmp and the uploads' volume: the root file system can be read-only.

FROM python:3.13-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/venv/bin:$PATH
# A volume takes over the owner of the folder that it is first mounted on.
RUN mkdir -p /var/lib/rollcall/uploads && chown -R 10001:10001 /var/lib/rollcall
WORKDIR /rollcall
STOPSIGNAL SIGTERM

FROM base AS installer
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore UV_NO_CACHE=1 UV_SYSTEM_CERTS=1
COPY requirements/uv.txt requirements/install ./
RUN pip install --require-hashes --only-binary :all: -r uv.txt || echo "no uv for this machine: pip does its work"

FROM installer AS api_service_packages
COPY requirements/api_service.txt requirements.txt
RUN ./install requirements.txt

FROM installer AS producer_service_packages
COPY requirements/producer_service.txt requirements.txt
RUN ./install requirements.txt

FROM installer AS consumer_service_packages
COPY requirements/consumer_service.txt requirements.txt
RUN ./install requirements.txt

FROM installer AS migrate_packages
COPY requirements/migrations.txt requirements.txt
RUN ./install requirements.txt

FROM installer AS guide
COPY requirements/guide.txt requirements.txt
RUN ./install requirements.txt
COPY zensical.toml CONTRIBUTING.md CHANGELOG.md ./
COPY tools/guide.py tools/guide.py
COPY docs docs
RUN /venv/bin/python -m tools.guide

FROM base AS api_service
COPY --from=api_service_packages /venv /venv
COPY shared shared
COPY api_service api_service
COPY --from=guide /rollcall/build/guide build/guide
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "uvicorn", "api_service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--http", "shared.service.bounded_http:BoundedHttp", "--timeout-graceful-shutdown", "20"]

FROM base AS producer_service
COPY --from=producer_service_packages /venv /venv
COPY shared shared
COPY producer_service producer_service
COPY --from=guide /rollcall/build/guide build/guide
USER 10001:10001
EXPOSE 8001
CMD ["python", "-m", "uvicorn", "producer_service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8001", "--no-access-log", "--http", "shared.service.bounded_http:BoundedHttp", "--timeout-graceful-shutdown", "20"]

FROM base AS consumer_service
COPY --from=consumer_service_packages /venv /venv
COPY shared shared
COPY consumer_service consumer_service
USER 10001:10001
EXPOSE 8002
CMD ["python", "-m", "uvicorn", "consumer_service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8002", "--no-access-log", "--http", "shared.service.bounded_http:BoundedHttp", "--timeout-graceful-shutdown", "20"]

FROM base AS migrate
COPY --from=migrate_packages /venv /venv
COPY pyproject.toml ./
COPY shared shared
COPY migrations migrations
USER 10001:10001
CMD ["python", "-m", "alembic", "upgrade", "head"]
