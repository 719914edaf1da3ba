# SPDX-License-Identifier: MPL-2.0
# What is shipped beside the programs.

EXTRA_DIST += packaging/quickstart packaging/check packaging/install-packages packaging/install-wheels \
	packaging/install-node .ci/run CONTRIBUTING.md SECURITY.md CHANGELOG.md packaging/examples/quickstart.json \
	packaging/examples/per-client.json packaging/examples/plans.json packaging/examples/shadow.json \
	packaging/examples/kill-switch.json packaging/examples/access.log packaging/examples/log_format

nginx_recipes = packaging/gateways/nginx/README.md packaging/gateways/nginx/upstream-tcp.conf \
	packaging/gateways/nginx/upstream-unix.conf packaging/gateways/nginx/auth-request.conf \
	packaging/gateways/nginx/auth-request-protect.conf packaging/gateways/nginx/auth-request-protect-fail-open.conf \
	packaging/gateways/nginx/accel.conf packaging/gateways/nginx/accel-fail-open.conf \
	packaging/gateways/nginx/accel-backend.conf packaging/gateways/nginx/settle.conf
EXTRA_DIST += $(nginx_recipes) packaging/gateways/README.md \
	packaging/gateways/haproxy/haproxy.cfg packaging/gateways/haproxy/fairvisor.lua packaging/gateways/envoy/envoy.yaml \
	packaging/gateways/caddy/Caddyfile packaging/gateways/apache/fairvisor.conf packaging/gateways/apache/fairvisor.lua \
	packaging/gateways/varnish/fairvisor.vcl packaging/gateways/traefik/fairvisor.yaml packaging/gateways/kong/kong.yml \
	packaging/gateways/apisix/apisix.yaml packaging/gateways/litellm/config.yaml \
	packaging/gateways/litellm/fairvisor_callback.py packaging/gateways/litellm/policy.json

# The default of bot_list.
dist_pkgdata_DATA = packaging/data/bots.txt

# Dashboard and alerts.
EXTRA_DIST += packaging/monitoring/README.md packaging/monitoring/dashboard.json packaging/monitoring/alerts.yml \
	packaging/monitoring/alerts_test.yml

# What a system needs beside the programs, and packages of it.
EXTRA_DIST += packaging/system/fairvisor.service packaging/system/fairvisor.init packaging/system/fairvisor.conf \
	packaging/system/fairvisor.logrotate packaging/system/fairvisor.tmpfiles packaging/system/fairvisor.sysusers \
	packaging/build-deb packaging/check-install packaging/debian/life packaging/debian/control packaging/debian/changelog \
	packaging/debian/copyright packaging/debian/rules packaging/debian/source/format packaging/debian/fairvisor.docs \
	packaging/debian/fairvisor.examples packaging/debian/fairvisor.dirs packaging/debian/fairvisor.postinst \
	packaging/debian/fairvisor.postrm packaging/debian/fairvisor.lintian-overrides packaging/debian/watch \
	packaging/debian/tests/control packaging/debian/tests/decides

EXTRA_DIST += packaging/build-rpm packaging/fairvisor.spec packaging/rpmlint.toml packaging/docker/Dockerfile \
	packaging/docker/Dockerfile.dockerignore packaging/check-helm packaging/check-manifests packaging/helm/Chart.yaml \
	packaging/helm/values.yaml packaging/helm/values.schema.json packaging/helm/templates/_helpers.tpl \
	packaging/helm/templates/configmap.yaml packaging/helm/templates/deployment.yaml \
	packaging/helm/templates/service.yaml packaging/helm/templates/servicemonitor.yaml \
	packaging/helm/templates/persistentvolumeclaim.yaml

.PHONY: deb rpm
rpm: dist
	$(srcdir)/packaging/build-rpm $(distdir).tar.xz rpm

deb: dist
	$(srcdir)/packaging/build-deb $(distdir).tar.xz deb
