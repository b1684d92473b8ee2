// Package stacks reads the CloudFormation templates of this folder and says what a deployment made of them is: its table, its
// queues, its functions with their environment, what invokes these, and its routes. A deployment on one machine is made from what this
// package reads, so that the template is what is tested.
//
// It knows as much of CloudFormation as these templates use, and refuses what it does not know. Whether a template is one that AWS takes
// is not its to say: this folder's tests ask AWS's own validator.
//
//	Load        load.go        the template at a path, with those that it nests, as they are written
//	Deploy      deploy.go      what one stack of it would be, parameters given and names made
//	Filter      filter.go      what of a stream a function gets
package stacks
