# ClearVision on the CPU, without PyTorch, as a user that is not root. Three images:
#
#   docker build -t clearvision .                        # the command line
#   docker run --rm -v "$PWD:/pictures" --user "$(id -u):$(id -g)" clearvision upscale photo.jpg -o enlarged
#
#   docker build -t clearvision-serve --target serve .   # the web site and the HTTP API; see compose.yaml
#   docker build -t clearvision-app --target app .       # the app for the browser

FROM python:3.12-slim AS build
WORKDIR /build
COPY . .
RUN python -m venv /opt/clearvision \
 && /opt/clearvision/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM build AS build-serve
RUN /opt/clearvision/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[serve]'

FROM build AS build-app
RUN /opt/clearvision/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[app]'

FROM python:3.12-slim AS runtime
RUN useradd --create-home --uid 1000 clearvision \
 && install --directory --owner clearvision --mode 700 /data
ENV PATH=/opt/clearvision/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER clearvision
ENTRYPOINT ["clearvision"]

FROM runtime AS serve
COPY --from=build-serve /opt/clearvision /opt/clearvision
ENV CLEARVISION_SERVE_HOST=0.0.0.0 CLEARVISION_SERVE_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=15s --timeout=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["serve"]

FROM runtime AS app
COPY --from=build-app /opt/clearvision /opt/clearvision
ENV HOME=/tmp
WORKDIR /tmp
EXPOSE 8501
CMD ["app", "--host", "0.0.0.0", "--no-browser"]

FROM runtime AS core
COPY --from=build /opt/clearvision /opt/clearvision
WORKDIR /pictures
CMD ["--help"]
