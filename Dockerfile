# ClearVision's core: the command line with the bundled models, on the CPU, without PyTorch.
#
#   docker build -t clearvision .
#   docker run --rm -v "$PWD:/pictures" --user "$(id -u):$(id -g)" clearvision upscale photo.jpg -o enlarged

FROM python:3.12-slim AS build
WORKDIR /build
COPY . .
RUN python -m venv /opt/clearvision \
 && /opt/clearvision/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 clearvision
COPY --from=build /opt/clearvision /opt/clearvision
ENV PATH=/opt/clearvision/bin:$PATH
USER clearvision
WORKDIR /pictures
ENTRYPOINT ["clearvision"]
CMD ["--help"]
