fairvisor version --json && fairvisor version --xml
