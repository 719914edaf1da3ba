fairvisor kill host '*.x.com'
