// Package stacks reads the CloudFormation templates of this folder and computes the deployment that they describe:
// its table, its queues, its functions with their environment, what invokes them, and its routes. A deployment on one
// machine is made from the result, so that tests cover the template.
//
// It supports the features of CloudFormation that these templates use, and refuses others. It does not check whether
// AWS would accept a template: this folder's tests ask AWS's own validator.
//
// Load        load.go        reads the template at a path, with those that it nests
// Deploy      deploy.go      computes one stack of it, with its parameters and names
// Filter      filter.go      decides which records of a stream a function gets
package stacks
