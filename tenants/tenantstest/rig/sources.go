package rig

import "github.com/hookcast/hookcast/tenants/source"

func GithubSource() source.SourceSpec {
	return source.SourceSpec{Name: "GitHub", Provider: "github", Secret: "It's a Secret to Everybody", Channel: "github.{repository.name}", Fallback: "github.other"}
}
