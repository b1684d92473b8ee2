package rig

import "github.com/hookcast/hookcast/tenants/source"

var GithubSpec = source.Spec{Provider: "github", Secret: IntakeSecret, Channel: "github.{repository.name}"}
