# One static binary in an empty image, run as nobody. Data (SQLite file, spool, models) lies in the volume /data.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /plumb ./cmd/plumb && mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /plumb /plumb
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME /data
WORKDIR /data
EXPOSE 8080
ENV PLUMB_DATA=/data
# Listening beyond loopback needs keys: set PLUMB_KEYS, or the server refuses to start.
ENTRYPOINT ["/plumb"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
