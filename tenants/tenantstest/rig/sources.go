package rig

import "github.com/hookcast/hookcast/tenants/source"

func GithubSource() source.Spec {
	return source.Spec{Name: "GitHub", Provider: "github", Secret: "It's a Secret to Everybody", Channel: "github.{repository.name}", Fallback: "github.other"}
}
