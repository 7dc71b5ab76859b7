# The stack that is measured, as OpenTofu has it with the Docker provider: network, volumes, database, app, nginx.
terraform {
  required_providers {
    docker = {
      source = "kreuzwerker/docker"
    }
  }
}

variable "name" {}
variable "database_image" {}
variable "app_image" {}
variable "proxy_image" {}
variable "port" {}
variable "folder" {}
variable "replicas" {}

resource "docker_network" "private" {
  name = var.name
}

resource "docker_volume" "data" {
  name = "${var.name}-data"
}

resource "docker_container" "database" {
  name      = "${var.name}-database"
  image     = var.database_image
  env       = ["MEMORY_MB=512"]
  read_only = true
  init      = true
  tmpfs = {
    "/tmp" = "mode=1777"
    "/run" = "mode=1777"
  }
  volumes {
    volume_name    = docker_volume.data.name
    container_path = "/var/lib/postgresql"
  }
  networks_advanced {
    name    = docker_network.private.name
    aliases = ["database"]
  }
}

resource "docker_container" "app" {
  count = var.replicas
  name  = "${var.name}-app-${count.index}"
  image = var.app_image
  init  = true
  env   = ["DATABASE_URL=postgresql://app:bench@database:5432/app", "JWT_SECRET=a key that signs nothing of value"]
  networks_advanced {
    name    = docker_network.private.name
    aliases = ["app"]
  }
  depends_on = [docker_container.database]
}

resource "docker_container" "proxy" {
  name    = "${var.name}-proxy"
  image   = var.proxy_image
  init    = true
  command = ["nginx", "-g", "daemon off;"]
  ports {
    internal = 8443
    external = var.port
    ip       = "127.0.0.1"
  }
  volumes {
    host_path      = "${var.folder}/site.conf"
    container_path = "/etc/nginx/sites-enabled/default"
  }
  volumes {
    host_path      = "${var.folder}/bundle.pem"
    container_path = "/etc/nginx/bundle.pem"
  }
  networks_advanced {
    name = docker_network.private.name
  }
}
