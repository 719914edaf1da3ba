fairvisor logs bundles
