module kubernetes-router

go 1.24

require github.com/emicklei/go-restful/v3 v3.12.2
